# A new random value at every plan and apply, which exists only while Terraform runs: it is never in
# a plan or a state. It is sent to AWS only when value_wo_version changes, and else discarded.
# Secrets Manager only draws it here, which is free; it stores nothing.
ephemeral "aws_secretsmanager_random_password" "this" {
  password_length     = var.length
  exclude_punctuation = true
}

# Parameter Store and not Secrets Manager: a standard parameter is free, a secret costs $0.40 a
# month, and no rotation on a timer is wanted (README.md). AWS's own key (aws/ssm) encrypts it.
resource "aws_ssm_parameter" "this" {
  name             = "/${var.name}/signing-key"
  description      = var.description
  type             = "SecureString"
  tier             = "Standard"
  value_wo         = ephemeral.aws_secretsmanager_random_password.this.random_password
  value_wo_version = 1
}
