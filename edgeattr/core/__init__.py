"""The floor: schema, bundle, decision, crops, metrics, errors, files, hub; no framework."""
