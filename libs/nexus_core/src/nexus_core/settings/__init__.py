"""Settings: frozen structs read from one YAML file overlaid by the environment."""
