# AWS Academy's learner lab: no role is made, and Cloud Map is denied.
image_tag          = "0123abcd"
allowed_cidrs      = ["203.0.113.7/32"]
existing_role_name = "LabRole"
