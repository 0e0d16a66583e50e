"""Writes the custom resource definitions under `deploy/crds/` from the domain's types and rules.

`schemas` turns types into structural schemas, `core_types` holds those of Kubernetes' own types,
`expressions` and `rules` say which values the API server refuses, `definitions` puts all together.
"""
