#!/usr/bin/env bash
# Delete the stack from AWS with all stored data, and check that nothing is left. Asks first, unless
# --yes is given. `--system NAME` names another system than MapReduce: a folder of examples/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

system=
confirmed=
for option in "$@"; do
    case $system,$option in
    --system,*) system=$option ;;
    ,--system) system=--system ;;
    ,--system=*) system=${option#*=} ;;
    *,--yes) confirmed=yes ;;
    *) echo "usage: ./destroy.sh [--system NAME] [--yes]" >&2; exit 2 ;;
    esac
done

make --quiet .venv/ready
stack() { .venv/bin/python -m driver stack "$@"; }
terraform_dir=$(stack folder ${system:+--system "$system"})
export MAPREDUCE_TERRAFORM=$terraform_dir

settings=$terraform_dir/deploy.auto.tfvars.json
options=(-auto-approve -input=false)
if [ ! -f "$settings" ] && [ -f "$terraform_dir/deploy.next.tfvars.json" ]; then
    # a first deploy.sh that failed before the images were pushed
    settings=$terraform_dir/deploy.next.tfvars.json
    options+=(-var-file=deploy.next.tfvars.json)
fi
if [ ! -f "$settings" ]; then
    echo "there is no $settings, so deploy.sh has created nothing here" >&2
    exit 2
fi
if [ -z "$confirmed" ]; then
    if [ ! -t 0 ]; then
        echo "this deletes the stack and all its data; to confirm: ./destroy.sh${system:+ --system $system} --yes" >&2
        exit 2
    fi
    read -rp "Delete the stack of $settings and all data in its bucket? [y/N] " answer
    [ "$answer" = y ] || { echo "nothing was changed" >&2; exit 2; }
fi

terraform -chdir="$terraform_dir" init -input=false >/dev/null
stack end-drivers
terraform -chdir="$terraform_dir" destroy "${options[@]}" |
    { grep -E '^(Destroy|Warning|No changes)' || true; } >&2
stack leftovers --wait-s 120 --deregister
