variable "name" {
  description = "Prefix of the names."
  type        = string
}

# --- From driver ----------------------------------------------------------------------------------

variable "family_arn" {
  description = "ARN of the drivers' task definition, without a revision."
  type        = string
}

variable "container_name" {
  description = "Name of the container that gets the command."
  type        = string
}

variable "role_arns" {
  description = "The roles that the task definition names."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the tasks."
  type        = string
}

# --- From network and cluster ---------------------------------------------------------------------

variable "subnet_ids" {
  description = "Subnets of the tasks."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "Whether the tasks get public addresses. Without one, the subnets need another route to AWS's services."
  type        = bool
}

variable "cluster_arn" {
  description = "Cluster to run in."
  type        = string
}

variable "role_path" {
  description = "Path of the role."
  type        = string
  default     = "/"
}

variable "permissions_boundary_arn" {
  description = "Policy that limits the role. Null: none."
  type        = string
  default     = null
}
