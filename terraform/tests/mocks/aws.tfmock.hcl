# One account and one region for all tests. Only values with a required form: the provider checks
# ARNs and JSON even if it is mocked; all others may be any string. The tests use them at plan
# (override_during = plan), so that values built from them can be compared.

mock_data "aws_caller_identity" {
  defaults = {
    account_id = "123456789012"
  }
}

mock_data "aws_partition" {
  defaults = {
    partition  = "aws"
    dns_suffix = "amazonaws.com"
  }
}

mock_data "aws_region" {
  defaults = {
    id = "eu-central-1"
  }
}

# Unsorted, and one more than the module uses.
mock_data "aws_availability_zones" {
  defaults = {
    names = ["eu-central-1c", "eu-central-1a", "eu-central-1b"]
  }
}

# A VPC that exists, with a second range.
mock_data "aws_vpc" {
  defaults = {
    id         = "vpc-0123456789abcdef0"
    cidr_block = "172.31.0.0/16"
    cidr_block_associations = [
      { association_id = "a", cidr_block = "172.31.0.0/16", state = "associated" },
      { association_id = "b", cidr_block = "100.64.0.0/20", state = "associated" },
    ]
  }
}

mock_data "aws_subnet" {
  defaults = {
    vpc_id = "vpc-0123456789abcdef0"
  }
}

mock_data "aws_iam_role" {
  defaults = {
    arn = "arn:aws:iam::123456789012:role/LabRole"
  }
}

mock_resource "aws_vpc" {
  defaults = {
    id = "vpc-0123456789abcdef0"
  }
}

mock_resource "aws_ecr_repository" {
  defaults = {
    arn            = "arn:aws:ecr:eu-central-1:123456789012:repository/mapreduce/service"
    repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mapreduce/service"
  }
}

mock_resource "aws_s3_bucket" {
  defaults = {
    id  = "mapreduce-123456789012-eu-central-1"
    arn = "arn:aws:s3:::mapreduce-123456789012-eu-central-1"
  }
}

mock_resource "aws_ecs_cluster" {
  defaults = {
    arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/mapreduce"
  }
}

mock_resource "aws_ecs_task_definition" {
  defaults = {
    arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mapreduce-service:1"
  }
}

mock_resource "aws_ecs_service" {
  defaults = {
    id = "arn:aws:ecs:eu-central-1:123456789012:service/mapreduce/service"
  }
}

mock_resource "aws_service_discovery_http_namespace" {
  defaults = {
    id = "ns-http"
  }
}

mock_resource "aws_service_discovery_private_dns_namespace" {
  defaults = {
    id = "ns-dns"
  }
}

mock_resource "aws_service_discovery_service" {
  defaults = {
    id  = "srv-0123456789abcdef"
    arn = "arn:aws:servicediscovery:eu-central-1:123456789012:service/srv-0123456789abcdef"
  }
}

mock_resource "aws_iam_role" {
  defaults = {
    arn = "arn:aws:iam::123456789012:role/created"
  }
}

mock_resource "aws_lb" {
  defaults = {
    arn      = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/stack/0123456789abcdef"
    dns_name = "stack-0123456789.eu-central-1.elb.amazonaws.com"
  }
}

mock_resource "aws_lb_target_group" {
  defaults = {
    arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/stack/0123456789abcdef"
  }
}

mock_resource "aws_sns_topic" {
  defaults = {
    arn = "arn:aws:sns:eu-central-1:123456789012:mapreduce-driver-ended"
  }
}
