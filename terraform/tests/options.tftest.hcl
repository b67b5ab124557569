# The options of the stack, off and all together.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

# Terraform 1.11 cannot mock ephemeral resources: the one module with such a resource keeps a real
# provider, and is overridden, so that no API is called.
provider "aws" {
  alias                       = "signing_key"
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_module {
  target = module.signing_key

  outputs = {
    parameter_name = "/mapreduce/signing-key"
    parameter_arn  = "arn:aws:ssm:eu-central-1:123456789012:parameter/mapreduce/signing-key"
  }
}

variables {
  region        = "eu-central-1"
  image_tag     = "0123abcd"
  allowed_cidrs = ["203.0.113.7/32"]
}

run "options_are_off_by_default" {
  command = plan

  assert {
    condition     = length(module.budget) == 0 && length(module.nightly_stop) == 0 && length(module.monitoring) == 0 && length(module.existing_network) == 0
    error_message = "Nothing that was not asked for exists, or costs."
  }
}

# tests/infrastructure/test_access.py evaluates the policies of this plan.
run "every_option_together" {
  command = plan

  variables {
    extra_input_buckets   = ["other"]
    extra_kms_key_arns    = ["arn:aws:kms:eu-central-1:123456789012:key/1"]
    monthly_budget_usd    = 20
    budget_email          = "you@example.com"
    nightly_stop          = "cron(0 22 * * ? *)"
    nightly_stop_timezone = "Europe/Berlin"
    alarms                = true
    alarm_topic_arn       = "arn:aws:sns:eu-central-1:123456789012:alarms"
    dashboard             = true
    end_notice            = "you@example.com"
    schedules             = { daily = { expression = "rate(1 day)", command = ["run"] } }
  }

  assert {
    condition     = module.budget[0].name == "mapreduce-monthly" && module.monitoring[0].dashboard_name == "mapreduce-eu-central-1"
    error_message = "The budget and the dashboard must be the stack's."
  }

  assert {
    condition     = module.nightly_stop[0].schedule_names == { mapper = "stop-mapper", reducer = "stop-reducer", splitter = "stop-splitter" }
    error_message = "Every service must be stopped."
  }
}
