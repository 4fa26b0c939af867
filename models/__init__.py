"""GGUF model files and the engine that runs them. Imports nothing else of the project."""
