#!/bin/sh
# Makes the genesis of geodesic-testnet-1 again, byte by byte: make.sh OUTPUT. GEOD names a geod that is not on PATH.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 OUTPUT" >&2
    exit 2
fi
folder=$(cd "$(dirname "$0")" && pwd)
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
geod() { "${GEOD:-geod}" --home "$home" "$@"; }

geod init maker --chain-id geodesic-testnet-1 2>/dev/null

# About two seconds a block: epochs of a day, of which half an hour is for computing.
geod genesis set --power-source compute \
    genesis_time 2027-01-01T00:00:00Z \
    consensus_params.block.max_gas 400000000 \
    consensus_params.evidence.max_age_num_blocks 907200 \
    consensus_params.evidence.max_age_duration 1814400000000000 \
    epochs.params.epoch_length 43200 \
    epochs.params.poc_stage_duration 900 \
    epochs.params.poc_fetch_duration 150 \
    epochs.params.poc_open_duration 150 \
    epochs.params.poc_verdict_duration 300 \
    epochs.params.poc_judge_duration 150 \
    epochs.params.day_blocks 43200 \
    seeds.params.beacon_history 100000 \
    pow.shape '{"name": "cpu", "judge_blocks": "30"}'

# Those who begin the network: a line "ADDRESS COINS" each in accounts.txt, and their signed transactions in gentx/.
if [ -f "$folder/accounts.txt" ]; then
    while read -r address coins; do
        geod genesis add-genesis-account "$address" "$coins"
    done <"$folder/accounts.txt"
fi
if [ -d "$folder/gentx" ]; then
    geod genesis collect-gentxs --gentx-dir "$folder/gentx"
fi
cp "$home/config/genesis.json" "$1"
