mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name        = "mapreduce"
  recipient   = "you@example.com"
  cluster_arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/mapreduce"
  family_arn  = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mapreduce-driver"
}

run "it_hears_of_the_stacks_drivers_alone" {
  command = plan

  module {
    source = "./modules/end_notice"
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.this.event_pattern) == {
      source      = ["aws.ecs"]
      detail-type = ["ECS Task State Change"]
      detail = {
        clusterArn        = ["arn:aws:ecs:eu-central-1:123456789012:cluster/mapreduce"]
        lastStatus        = ["STOPPED"]
        taskDefinitionArn = [{ prefix = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mapreduce-driver:" }]
      }
    }
    error_message = "The rule is for stopped tasks of this cluster and family: not of mapreduce-driver-2."
  }

  assert {
    condition     = alltrue([for line in compact(split("\n", aws_cloudwatch_event_target.topic.input_transformer[0].input_template)) : can(jsondecode(line))]) && length(regexall("<(code|reason|task|started|stopped)>", aws_cloudwatch_event_target.topic.input_transformer[0].input_template)) == 5
    error_message = "EventBridge takes lines of JSON; the message names code, reason, run, task and time."
  }
}

run "an_address_gets_a_topic_to_which_this_rule_publishes" {
  command = plan

  module {
    source = "./modules/end_notice"
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].protocol == "email" && aws_sns_topic_subscription.email[0].endpoint == "you@example.com" && aws_cloudwatch_event_target.topic.arn == "arn:aws:sns:eu-central-1:123456789012:mapreduce-driver-ended"
    error_message = "The address is subscribed to the topic of the rule."
  }

  assert {
    condition = jsondecode(aws_sns_topic_policy.this[0].policy).Statement == [{
      Sid       = "PublishTheEnd"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = "arn:aws:sns:eu-central-1:123456789012:mapreduce-driver-ended"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:events:eu-central-1:123456789012:rule/mapreduce-driver-ended" } }
    }]
    error_message = "No other rule may publish."
  }
}

run "a_topic_that_exists_is_used_as_it_is" {
  command = plan

  module {
    source = "./modules/end_notice"
  }

  variables {
    recipient = "arn:aws:sns:eu-central-1:123456789012:ours"
  }

  assert {
    condition     = length(aws_sns_topic.this) + length(aws_sns_topic_policy.this) + length(aws_sns_topic_subscription.email) == 0 && aws_cloudwatch_event_target.topic.arn == "arn:aws:sns:eu-central-1:123456789012:ours"
    error_message = "The topic's owner decides who subscribes and publishes."
  }
}
