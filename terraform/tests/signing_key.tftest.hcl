# Terraform 1.11 cannot mock ephemeral resources, so these tests cover only failures before the key
# is generated. The end-to-end test on an emulator checks that the key is in the parameter and not
# in the state.

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
    name        = "mapreduce"
    description = "A key."
    length      = 31
  }

  expect_failures = [var.length]
}
