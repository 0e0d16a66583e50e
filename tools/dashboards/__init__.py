"""The dashboards under deploy/observability, written from short descriptions of their panels."""
