#!/bin/bash
# shellcheck disable=SC2154  # started, run, status: set by the helpers
# Following streams of the server, over SSE, WebSocket and NDJSON.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

test_sse_goes_on_from_the_last_event_id()
{
	question_mode
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is waiting
	local_call GET "/api/v1/runs/$run"
	project=$(json_get .project)
	local streams="run/$run,project/$project"
	curl -sSN --max-time 1 --unix-socket "$MUSTER_DATA/sock" "http://muster/api/v1/events?stream=$streams" >first || true
	local_call POST "/api/v1/runs/$run/actions/colour" -d '{"option":"red"}'
	wait_for 20 state_is completed
	last=$(sed -n 's/^id: //p' first | tail -n 1)
	curl -sSN --max-time 1 --unix-socket "$MUSTER_DATA/sock" -H "Last-Event-ID: $last" \
		"http://muster/api/v1/events?stream=$streams" >second || true
	curl -sSN --max-time 1 --unix-socket "$MUSTER_DATA/sock" "http://muster/api/v1/events?stream=$streams" >whole || true
	sed -n 's/^data: //p' first second | jq -r '[.stream,.seq]|join(" ")' | sort >parts
	sed -n 's/^data: //p' whole | jq -r '[.stream,.seq]|join(" ")' | sort >all
	cmp parts all || fail "after $last: $(diff parts all)"
	[ -s all ] || fail "nothing came"
	grep -q '"run.state"' whole || fail "the project's stream does not tell of its run"
}

test_a_thousand_hang_ups_lose_and_double_nothing()
{
	slow_mode
	serving
	begin_run "{\"mode\":\"slow\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	TIME_LIMIT=120 is_status 0 "$SOURCE/tests/peer/follow.py" "$MUSTER_DATA/sock" "run/$run" 20 "${HANGUPS:-50}" "${MUSTER_SEED:-1}"
	out_has "hang-ups"
	local_call GET "/api/v1/runs/$run/events"
	same "$("$SOURCE/tests/peer/follow.py" "$MUSTER_DATA/sock" "run/$run" 1 0 1)" "$(wc -l <out) events, 1 hang-ups"
}

test_streams_that_are_not_there_are_named()
{
	serving
	for stream in run/nothing run/01a200c8-d432-76f5-b3f8-b9034a7474e4 nothing person/x ''; do
		local_call GET "/api/v1/events?stream=$stream"
		same "$status" 404 "$stream"
	done
	local_call GET /api/v1/events
	same "$status" 400
	local_call GET '/api/v1/events?stream=house&after=1.2'
	same "$status" 400
	local_call GET '/api/v1/events?stream=house&after=x'
	same "$status" 400
	local_call GET /api/v1/ws
	same "$status" 400
}

test_commands_and_answers_go_over_a_websocket_as_well()
{
	question_mode
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is waiting
	/usr/bin/python3 - "$MUSTER_DATA/sock" "$run" >said 2>&1 <<-'END' || fail "$(cat said)"
		import asyncio, json, sys
		from websockets.client import unix_connect
		SOCK, RUN = sys.argv[1:]
		here = f"/api/v1/runs/{RUN}"
		async def main():
		    async with unix_connect(SOCK, uri="ws://muster/api/v1/ws") as ws:
		        async def ask(**message):
		            await ws.send(json.dumps({"ask": "a", **message}))
		            reply = json.loads(await asyncio.wait_for(ws.recv(), 20))
		            assert reply.pop("answer") == "a", reply
		            return reply.get("body") or reply["problem"]["code"]
		        assert await ask(path=here + "/commands", body={"kind": "fly"}) == "invalid"
		        assert await ask(path=here + "/commands", body=[]) == "invalid"
		        assert await ask(body={}) == "invalid"
		        assert await ask(path="/api/v1/runs/none/commands", body={"kind": "pause"}) == "not_found"
		        assert await ask(path="/api/v1/nothing") == "not_found"
		        assert await ask(path="/api/v1/runs", body={"mode": "asking", "project": "/tmp/x"}) == "method"
		        assert await ask(path=here, method="GET") == "method"
		        for _ in range(2):
		            renamed = await ask(path=here + "/commands", body={"kind": "rename", "name": "Colours"}, key="k")
		            assert renamed["ok"], renamed
		        assert (await ask(path=here + "/actions/colour", body={"option": "red"}))["ok"]
		        assert await ask(path=here + "/actions/colour", body={"option": "blue"}) in ("conflict", "not_found")
		asyncio.run(main())
	END
	wait_for 20 state_is completed
	is_status 0 muster log "$run" --type run.renamed --json
	same "$(wc -l <out)" 1 "names given"
	is_status 0 muster log "$run" --type action.resolved --json
	same "$(jq -r .data.option out)" red
}

run_tests
