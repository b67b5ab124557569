"""The whole system against an emulator of AWS: Terraform, images, deploy, run, scale, break,
destroy.

`make e2e` runs it. It needs neither an AWS account nor the internet, but root, Docker (or Debian's
packages of it), debootstrap and Terraform. It installs what is missing as root on Debian, or fails
with a message in a box: a skipped check would have shown nothing.
"""
