"""What a chat model reads: prompts within the model's context, from templates.

Knows the task, the space and the trials, but no engine: tokens are counted and chat templates are
rendered by functions that it is given. Gives out the built prompt and the plan of its tokens.
"""
