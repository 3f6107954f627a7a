#!/bin/sh
# CometBFT's RPC as scripts use it: curl, GET with arguments in the URL and POST with JSON, without jq.
set -eu

: "${RPC:?}" "${CHAIN_ID:?}" "${ADDRESS:?}" "${DENOM:?}"

fail() {
    echo "FAILED: $1" >&2
    echo "$2" >&2
    exit 1
}

# has WHAT TEXT PATTERN: the text without blanks matches the extended regular expression.
has() {
    printf '%s' "$2" | tr -d ' \n\t' | grep -Eq -- "$3" || fail "$1: no $3 in" "$2"
    echo "ok: $1"
}

get() { curl --silent --show-error --max-time 30 "$RPC/$1"; }
post() { curl --silent --show-error --max-time 30 --header 'Content-Type: application/json' --data "$1" "$RPC/"; }
hex() { od -An -v -tx1 | tr -d ' \n'; }
# field NAME: the first string of this name on the standard input.
field() { tr -d ' \n\t' | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }

has "health" "$(get health)" '"result":\{\}'
status=$(get status)
has "status: the chain id" "$status" "\"network\":\"$CHAIN_ID\""
has "status: CometBFT 0.38" "$status" '"version":"0\.38\.'
has "status: transactions are indexed" "$status" '"tx_index":"on"'
has "status: not catching up" "$status" '"catching_up":false'
height=$(get "status" | tr -d ' \n\t' | sed -n 's/.*"latest_block_height":"\([0-9]*\)".*/\1/p')
[ "$height" -gt 0 ] || fail "a height" "$height"

has "abci_info" "$(get abci_info)" '"last_block_height":"[0-9]+"'
has "a block" "$(get "block?height=$height")" "\"chain_id\":\"$CHAIN_ID\",\"height\":\"$height\""
has "the results of a block" "$(get "block_results?height=$height")" "\"height\":\"$height\""
has "the validators" "$(get "validators?height=$height&per_page=10")" '"total":"1"'
has "consensus parameters" "$(get consensus_params)" '"max_bytes":"[0-9]+"'
has "the genesis" "$(get genesis)" "\"address\":\"$ADDRESS\""
has "the mempool" "$(get num_unconfirmed_txs)" '"n_txs":"[0-9]+"'
has "a height that is not there" "$(get "block?height=999999999")" '"error":.*mustbelessthanorequalto'

# QueryBalanceRequest{address = 1, denom = 2}: two strings, each shorter than 128.
string() { printf '%02x%02x' "$1" "${#2}" && printf '%s' "$2" | hex; }
request=$(string 10 "$ADDRESS"; string 18 "$DENOM")
path=/cosmos.bank.v1beta1.Query/Balance
balance=$(get "abci_query?path=\"$path\"&data=0x$request")
has "a balance by GET" "$balance" '"code":0,.*"value":"[^"]+"'
amount=$(printf '%s' "$balance" | field value | base64 -d | tr -cd '0-9a-z')
case "$amount" in
    *"$DENOM"*[0-9]*) echo "ok: the balance is in it" ;;
    *) fail "the balance" "$amount" ;;
esac
json='{"jsonrpc":"2.0","id":7,"method":"abci_query","params":{"path":"'$path'","data":"'$request'"}}'
has "a balance by POST" "$(post "$json")" '"id":7,"result":.*"code":0'
has "two calls in one POST" "$(post "[$json,{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"health\"}]")" '^\[.*"id":8.*\]$'

version=$(get 'abci_query?path="/app/version"' | field value | base64 -d)
has "the version of the application" "$version" '^[0-9]+\.[0-9]+\.[0-9]+'
has "an unknown path" "$(get 'abci_query?path="/nothing"')" '"code":6,.*unknownquerypath'
has "an account by its store key, with a proof" \
    "$(get "abci_query?path=\"/store/bank/key\"&data=0x00$(printf '%s' "$DENOM" | hex)&prove=true")" \
    '"ops":\[\{"type":"ics23:iavl".*"type":"ics23:simple"'

has "bytes that are no transaction are refused" "$(get 'broadcast_tx_sync?tx=0x0102')" '"code":2,.*"codespace":"sdk"'
has "a search" "$(get "tx_search?query=\"message.module='bank'\"&per_page=2&order_by=\"desc\"")" '"total_count":"[0-9]+"'
has "an unknown hash" "$(get "tx?hash=0x$(printf '%064d' 0)")" '"error":.*notfound'
