resource "aws_ecs_cluster" "this" {
  name = var.name

  # Paid per task and metric, and of little use: the services report bytes, records and memory.
  setting {
    name  = "containerInsights"
    value = "disabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 1
  }
}

# Found by Cloud Map's API alone. Without DNS there is no hosted zone, which costs $0.50 a month.
resource "aws_service_discovery_http_namespace" "this" {
  count = var.service_discovery == "api" ? 1 : 0

  name        = var.name
  description = "Tasks of the ${var.system} stack ${var.name}."
}

# Found by name too (ROLE.NAMESPACE), in the VPC.
resource "aws_service_discovery_private_dns_namespace" "this" {
  count = var.service_discovery == "dns" ? 1 : 0

  name        = coalesce(var.dns_namespace, "${var.name}.internal")
  description = "Tasks of the ${var.system} stack ${var.name}."
  vpc         = var.vpc_id
}
