terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The lock file pins 5.100, with which everything is tested. Version 6 has the same resources
      # and arguments, and is untried (README.md says what differs).
      version = ">= 5.100, < 7.0"
    }
  }
}
