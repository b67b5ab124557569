"""Other systems on the same Terraform modules and service shell, each whole in its folder."""
