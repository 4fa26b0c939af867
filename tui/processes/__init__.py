"""Child processes of the interface: studies, the form's checks, work on models. No widgets."""
