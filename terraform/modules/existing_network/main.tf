data "aws_vpc" "this" {
  id = var.vpc_id
}

data "aws_subnet" "this" {
  for_each = toset(var.subnet_ids)

  id = each.key

  lifecycle {
    # ECS would refuse it too, but only after everything else exists.
    postcondition {
      condition     = self.vpc_id == var.vpc_id
      error_message = "Subnet ${each.key} is in ${self.vpc_id}, not in vpc_id (${var.vpc_id}): name subnets of one VPC."
    }
  }
}
