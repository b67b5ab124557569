mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name     = "mapreduce"
  vpc_cidr = "10.20.0.0/16"
}

run "two_public_subnets_in_two_zones_with_fargate" {
  command = plan

  module {
    source = "./modules/network"
  }

  assert {
    condition = { for zone, subnet in aws_subnet.public : zone => subnet.cidr_block } == {
      eu-central-1a = "10.20.0.0/18"
      eu-central-1b = "10.20.64.0/18"
    }
    error_message = "The first two zones by name get a quarter of the range each, whatever order AWS lists them in."
  }

  assert {
    condition     = length(aws_route_table_association.public) == 2 && aws_route.internet.destination_cidr_block == "0.0.0.0/0"
    error_message = "Both subnets must reach the internet gateway."
  }

  assert {
    condition     = !anytrue([for subnet in aws_subnet.public : subnet.map_public_ip_on_launch])
    error_message = "Only what asks for a public address gets one."
  }

  assert {
    condition     = aws_vpc.this.enable_dns_support && aws_vpc.this.enable_dns_hostnames
    error_message = "Cloud Map's names resolve only in a VPC with both."
  }

  assert {
    condition     = contains(data.aws_availability_zones.available.exclude_zone_ids, "use1-az3")
    error_message = "A task cannot start in a zone without Fargate."
  }

  assert {
    condition     = one(data.aws_availability_zones.available.filter).values == toset(["opt-in-not-required"])
    error_message = "Local zones are no zones for Fargate."
  }
}

run "data_stays_inside_and_no_group_is_open" {
  command = plan

  module {
    source = "./modules/network"
  }

  assert {
    condition     = aws_vpc_endpoint.s3.service_name == "com.amazonaws.eu-central-1.s3" && aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway"
    error_message = "S3 must be reached through the free gateway endpoint of the stack's region."
  }

  assert {
    condition     = aws_default_security_group.locked.vpc_id == aws_vpc.this.id
    error_message = "The default security group of the stack's VPC must be emptied."
  }
}

run "the_range_is_the_stacks_own" {
  command = plan

  module {
    source = "./modules/network"
  }

  assert {
    condition     = output.vpc_cidrs == ["10.20.0.0/16"]
    error_message = "A driver inside the VPC may call the services."
  }
}
