"""GGUF model files and the engine that runs them."""
