# A new random value at every plan and apply, which exists only while Terraform runs: it is never in
# a plan or a state. It is sent to AWS only when secret_string_wo_version changes, and else
# discarded.
ephemeral "aws_secretsmanager_random_password" "this" {
  password_length     = var.length
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "this" {
  name        = "${var.name}/signing-key"
  description = "HS256 key with which the MapReduce driver signs its calls to the services."

  # By default AWS keeps a deleted secret and its name for 30 days, and a new deploy with this name
  # would fail.
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.this.random_password
  secret_string_wo_version = 1
}
