output "vpc_id" {
  description = "ID of the VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidrs" {
  description = "Address ranges of the VPC: one."
  value       = [aws_vpc.this.cidr_block]
}

output "subnet_ids" {
  description = "IDs of the two public subnets, once they reach the internet."
  value       = [for zone in keys(local.zones) : aws_subnet.public[zone].id]

  # A task that starts before the route exists cannot pull its image; and during destroy the gateway
  # cannot be detached while tasks still have public addresses.
  depends_on = [aws_route.internet, aws_route_table_association.public, aws_vpc_endpoint.s3]
}
