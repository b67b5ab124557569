terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The lock file pins 5.100, with which everything is tested.
      version = ">= 5.100, < 7.0"
    }
  }
}
