"""What a study leaves on the disk: its Optuna storage, its folder of logs, locks, and the trash.

Nothing here decides anything about a study. `folder`, `paths`, `request_log` and `proposal_log`
load nothing heavy; `database` and `store` load Optuna.
"""
