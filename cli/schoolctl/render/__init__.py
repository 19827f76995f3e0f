"""Turn templates and declarations into text; Ansible and this package give the same bytes."""
