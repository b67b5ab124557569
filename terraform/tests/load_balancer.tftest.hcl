mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name          = "stack"
  system        = "Albums"
  vpc_id        = "vpc-0123456789abcdef0"
  vpc_cidrs     = ["10.20.0.0/16"]
  subnet_ids    = ["subnet-a", "subnet-b"]
  allowed_cidrs = ["203.0.113.7/32"]
  target_port   = 8080
  health_path   = "/health"
}

run "only_allowed_clients_in_and_only_tasks_out" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  assert {
    condition     = { for cidr, rule in aws_vpc_security_group_ingress_rule.clients : cidr => [rule.from_port, rule.to_port] } == { "203.0.113.7/32" = [80, 80] }
    error_message = "Only the allowed ranges may call the load balancer."
  }

  assert {
    condition     = { for cidr, rule in aws_vpc_security_group_egress_rule.tasks : cidr => [rule.from_port, rule.to_port] } == { "10.20.0.0/16" = [8080, 8080] }
    error_message = "The load balancer calls the tasks' port in the VPC, and nothing else."
  }
}

run "only_working_tasks_get_requests" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  assert {
    condition     = aws_lb_target_group.this.health_check[0].path == "/health" && aws_lb_target_group.this.health_check[0].matcher == "200"
    error_message = "A task gets requests while its health check answers 200."
  }

  assert {
    condition     = aws_lb_target_group.this.target_type == "ip" && aws_lb_listener.this.default_action[0].target_group_arn == aws_lb_target_group.this.arn
    error_message = "A Fargate task is a target by its address."
  }

  assert {
    condition     = !aws_lb.this.enable_deletion_protection && aws_lb.this.drop_invalid_header_fields
    error_message = "A destroy must not stop at the load balancer, and ambiguous headers are dropped."
  }
}

run "output_shapes" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  assert {
    condition     = output.url == "http://stack-0123456789.eu-central-1.elb.amazonaws.com" && output.target_group_arn == aws_lb_target_group.this.arn
    error_message = "The root uses both."
  }
}

run "reject_a_drain_beyond_an_hour" {
  command = plan

  module {
    source = "./modules/load_balancer"
  }

  variables {
    drain_s = 3601
  }

  expect_failures = [var.drain_s]
}
