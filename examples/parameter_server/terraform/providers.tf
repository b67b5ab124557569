provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}

# A second configuration of the provider, for the one module with an ephemeral resource. Terraform's
# mock providers refuse ephemeral resources, so the tests mock the provider above and leave this one
# real (and unused).
provider "aws" {
  alias  = "signing_key"
  region = var.region

  default_tags {
    tags = local.tags
  }
}
