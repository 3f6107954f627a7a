#!/bin/sh
# Claims all rewards of an operator and sends them on.
#
#   rewards.sh KEY RECEIVER [flags of geod, such as --home DIR --node URL --keyring-backend test]
#
# Needs geod and jq on PATH. GEOD names another geod.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 KEY RECEIVER [flags of geod]" >&2
    exit 2
fi
key=$1 receiver=$2
shift 2
geod=${GEOD:-geod}

address=$("$geod" keys show "$key" --address "$@")
claimable=$("$geod" query rewards claimable "$address" --output json "$@")
epochs=$(echo "$claimable" | jq -r '[.shares[].epoch] | join(" ")')
if [ -z "$epochs" ]; then
    echo "$address has nothing to claim"
    exit 0
fi
echo "$address can claim epochs $epochs: $(echo "$claimable" | jq -r '.total[] | .amount + .denom')"

# Runs a transaction and waits until it is in a block; fails with the chain's words.
transact() {
    result=$("$geod" tx "$@" --yes --output json)
    hash=$(echo "$result" | jq -r .txhash)
    if [ "$(echo "$result" | jq -r .code)" != 0 ]; then
        echo "$result" | jq -r .raw_log >&2
        exit 1
    fi
    result=$("$geod" query wait-tx "$hash" --output json $flags)
    if [ "$(echo "$result" | jq -r .code)" != 0 ]; then
        echo "$result" | jq -r .raw_log >&2
        exit 1
    fi
    echo "$hash"
}
flags=$*

# shellcheck disable=SC2086 # one word an epoch
hash=$(transact rewards claim $epochs --from "$key" --gas auto "$@")
echo "claimed in $hash"
coins=$(echo "$claimable" | jq -r '[.total[] | .amount + .denom] | join(",")')
hash=$(transact bank send "$key" "$receiver" "$coins" "$@")
echo "sent $coins to $receiver in $hash"
