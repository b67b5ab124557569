output "vpc_id" {
  description = "ID of the VPC."
  value       = data.aws_vpc.this.id
}

output "vpc_cidrs" {
  description = "Address ranges of the VPC: the first one, and those that were added to it."
  value       = distinct(concat([data.aws_vpc.this.cidr_block], data.aws_vpc.this.cidr_block_associations[*].cidr_block))
}

output "subnet_ids" {
  description = "IDs of the subnets, once it is certain that they are in the VPC."
  value       = [for id in var.subnet_ids : data.aws_subnet.this[id].id]
}
