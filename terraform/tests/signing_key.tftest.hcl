# Terraform 1.11 cannot mock ephemeral resources, so only what fails before the key is made can be tested here. That the
# secret gets a key, and the state does not, is seen when the whole stack is applied to an emulator.

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

run "reject_a_key_shorter_than_its_hash" {
  command = plan

  module {
    source = "./modules/signing_key"
  }

  variables {
    name   = "mapreduce"
    length = 31
  }

  expect_failures = [var.length]
}
