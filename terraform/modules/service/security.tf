# The traffic to and from a task. The services never call each other (the driver calls them, and
# data goes through S3), so there is no rule between two security groups.

resource "aws_security_group" "this" {
  name        = "${var.name}-${var.role}"
  description = "The ${var.role} tasks of the MapReduce stack ${var.name}."
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-${var.role}" }
}

resource "aws_vpc_security_group_ingress_rule" "http" {
  for_each = toset(concat(var.vpc_cidrs, var.allowed_cidrs))

  security_group_id = aws_security_group.this.id
  description       = contains(var.vpc_cidrs, each.key) ? "A driver inside the VPC" : "A driver outside the VPC"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = local.port
  to_port           = local.port
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
