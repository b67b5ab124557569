# The traffic to and from a task. A root whose services call each other adds the rules between their
# groups: such a rule belongs to neither service.

resource "aws_security_group" "this" {
  name        = "${var.name}-${var.role}"
  description = "The ${var.role} tasks of the ${var.system} stack ${var.name}."
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-${var.role}" }
}

resource "aws_vpc_security_group_ingress_rule" "http" {
  for_each = length(local.ports) == 0 ? [] : toset(concat(var.vpc_cidrs, var.allowed_cidrs))

  security_group_id = aws_security_group.this.id
  description       = contains(var.vpc_cidrs, each.key) ? "${var.client} inside the VPC" : "${var.client} outside the VPC"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = min(local.ports...)
  to_port           = max(local.ports...)
}

# S3, ECR, CloudWatch and Parameter Store, whose addresses change. The VPC resolves names, which the
# group does not filter.
resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "AWS's own endpoints"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
