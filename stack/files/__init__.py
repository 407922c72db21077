"""What is described in files: environments and templates, checked before anything is asked of AWS."""
