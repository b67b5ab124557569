mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  vpc_id     = "vpc-0123456789abcdef0"
  subnet_ids = ["subnet-0b", "subnet-0a"]
}

run "all_ranges_of_the_vpc_and_only_the_named_subnets" {
  command = plan

  module {
    source = "./modules/existing_network"
  }

  assert {
    condition     = output.vpc_id == "vpc-0123456789abcdef0" && output.vpc_cidrs == tolist(["172.31.0.0/16", "100.64.0.0/20"])
    error_message = "A driver may call from every range of the VPC, each of them once."
  }

  assert {
    condition     = length(output.subnet_ids) == 2
    error_message = "Tasks run in the subnets that were named."
  }
}

run "reject_a_subnet_of_another_vpc" {
  command = plan

  module {
    source = "./modules/existing_network"
  }

  variables {
    vpc_id     = "vpc-0fedcba9876543210"
    subnet_ids = ["subnet-0a"]
  }

  expect_failures = [data.aws_subnet.this["subnet-0a"]]
}
