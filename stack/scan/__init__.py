"""Policies as code: what the templates of each environment must hold, checked before anything is made."""
