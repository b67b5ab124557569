"""The whole story against an emulator of AWS: Terraform, images, deploy, run, scale, break,
destroy; `make e2e`.

Needs neither an AWS account nor the internet, but root, Docker (or Debian's packages of it),
debootstrap and Terraform. What it needs of the machine it looks for, and installs as root on
Debian; when something is missing it says so in a box and fails: a check that nobody could run has
shown nothing.
"""
