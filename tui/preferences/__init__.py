"""What a person chose for the interface: the settings file, keys, colours. No widgets."""
