mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name        = "mapreduce"
  monthly_usd = 20
  email       = "you@example.com"
}

run "the_budget_counts_this_stack_and_warns_in_time" {
  command = plan

  module {
    source = "./modules/budget"
  }

  assert {
    condition     = one(aws_budgets_budget.this.cost_filter).name == "TagKeyValue" && one(aws_budgets_budget.this.cost_filter).values == tolist(["user:Stack$mapreduce"])
    error_message = "The budget must count the stack's tag, as Budgets spells it."
  }

  assert {
    condition     = aws_budgets_budget.this.limit_amount == "20.00" && aws_budgets_budget.this.limit_unit == "USD" && aws_budgets_budget.this.time_unit == "MONTHLY"
    error_message = "The limit is in dollars a month."
  }

  assert {
    condition     = toset([for notification in aws_budgets_budget.this.notification : "${notification.notification_type} ${notification.threshold}"]) == toset(["ACTUAL 80", "ACTUAL 100", "FORECASTED 100"])
    error_message = "AWS writes before the limit, at the limit, and when the trend leads over it."
  }
}
