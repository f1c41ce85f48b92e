"""The JSON API: transfers, their recipients and their life, for programs (docs/api.md)."""
