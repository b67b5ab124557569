resource "aws_lb" "this" {
  name               = var.name
  load_balancer_type = "application"
  internal           = false
  subnets            = var.subnet_ids
  security_groups    = [aws_security_group.this.id]

  # A header that is not valid may mean two things to two servers.
  drop_invalid_header_fields = true
  # A destroy must not stop here.
  enable_deletion_protection = false

  # Without the rules the first health checks would fail.
  depends_on = [
    aws_vpc_security_group_egress_rule.tasks,
    aws_vpc_security_group_ingress_rule.clients,
  ]
}

resource "aws_lb_target_group" "this" {
  name                 = var.name
  vpc_id               = var.vpc_id
  protocol             = "HTTP"
  port                 = var.target_port
  target_type          = "ip"
  deregistration_delay = var.drain_s

  health_check {
    path                = var.health_path
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTP"
  port              = 80

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

resource "aws_security_group" "this" {
  name        = "${var.name}-load-balancer"
  description = "The load balancer of the ${var.system} stack ${var.name}."
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-load-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = toset(var.allowed_cidrs)

  security_group_id = aws_security_group.this.id
  description       = "A client outside the VPC"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

# The tasks let their VPC call them, so the two groups need not name each other.
resource "aws_vpc_security_group_egress_rule" "tasks" {
  for_each = toset(var.vpc_cidrs)

  security_group_id = aws_security_group.this.id
  description       = "The tasks"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = var.target_port
  to_port           = var.target_port
}
