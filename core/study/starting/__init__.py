"""Everything a study needs, opened in the right order: options, table, storage, earlier studies."""
