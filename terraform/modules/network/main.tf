data "aws_region" "current" {}

data "aws_availability_zones" "available" {
  state = "available"

  # No local or wavelength zones: Fargate does not run there.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }

  # Old zones without Fargate. Their letters differ between accounts, so a stack in the first two
  # letters would fail only in some accounts.
  exclude_zone_ids = ["use1-az3", "usw1-az2", "apne1-az3", "cac1-az3", "cnn1-az3"]
}

locals {
  # Two, in case a zone fails or runs out of Spot capacity. Sorted, so that the order is stable.
  zones = { for index, zone in slice(sort(data.aws_availability_zones.available.names), 0, 2) : zone => index }
}

resource "aws_vpc" "this" {
  cidr_block = var.vpc_cidr

  # Cloud Map's private names resolve only with both.
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# AWS's default security group allows all traffic between its members. Without rules it allows none.
resource "aws_default_security_group" "locked" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-default-locked" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

# Public subnets and no NAT gateway: tasks must reach ECR, CloudWatch and Parameter Store, and a
# driver on a laptop must reach the tasks. An idle NAT gateway would cost more per hour than three
# working mappers. The services' security groups control what comes in.
resource "aws_subnet" "public" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 2, each.value)

  # The ECS services request a public address; nothing else gets one by default.
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-public-${each.key}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

# Free, and keeps the job's data (and the image layers, which ECR serves from S3) off the internet
# gateway. It has the default policy: one that names our bucket would also have to name AWS's layer
# buckets in every region.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${data.aws_region.current.id}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.public.id]

  tags = { Name = "${var.name}-s3" }
}
