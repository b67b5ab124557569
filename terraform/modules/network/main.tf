data "aws_region" "current" {}

data "aws_availability_zones" "available" {
  state = "available"

  # No local or wavelength zones: Fargate does not run there.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }

  # Old zones without Fargate. Their letters differ from account to account, so a stack that takes the first two
  # letters would fail in some accounts only.
  exclude_zone_ids = ["use1-az3", "usw1-az2", "apne1-az3", "cac1-az3", "cnn1-az3"]
}

locals {
  # Two, so that a zone's outage or shortage of Spot capacity leaves the other. By name, so that the order is stable.
  zones = { for index, zone in slice(sort(data.aws_availability_zones.available.names), 0, 2) : zone => index }
}

resource "aws_vpc" "this" {
  cidr_block = var.vpc_cidr

  # Cloud Map's private names resolve only with both.
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# Every VPC comes with a security group that allows its members everything. Without rules it allows nothing.
resource "aws_default_security_group" "locked" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-default-locked" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

# Public subnets and no NAT gateway: tasks need a way out to ECR, CloudWatch and Secrets Manager, and a driver on a
# laptop a way in. A NAT gateway would cost more per hour, idle, than three mappers at work. What may come in is
# decided by the services' security groups.
resource "aws_subnet" "public" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 2, each.value)

  # The ECS services ask for a public address; nothing else that is put here gets one unasked.
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

# Free, and keeps the job's data (and the image layers, which ECR serves from S3) off the internet gateway. It has
# the default policy: one that names our bucket would also have to name AWS's own layer buckets in every region.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${data.aws_region.current.name}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.public.id]

  tags = { Name = "${var.name}-s3" }
}
