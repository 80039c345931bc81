/** Every benchmark, one row each: what it measures, its columns, what it must reach. The runner and docs/benchmarks.md are derived from it. */

export interface Column {
	/** In the values of a result. */
	readonly key: string;
	readonly head: string;
}

/** A promise about one value of one subject. It never fails a run: the page says whether it was reached. */
export interface Target {
	readonly subject: string;
	readonly column: string;
	readonly is: 'at most' | 'at least';
	readonly value: number;
}

export interface ProgramSpec {
	readonly title: string;
	/** What is done, and what is counted. */
	readonly how: string;
	readonly columns: readonly Column[];
	readonly targets: readonly Target[];
	/** Why a target is missed, once that was looked into. */
	readonly why?: string;
}

const CPU_PER_MESSAGE: Column = { key: 'cpuUs', head: 'CPU per message, µs' };

export const PROGRAMS = {
	accept: {
		title: 'A new WebSocket session',
		how:
			'Raw WebSocket clients do the handshakes of Engine.IO and of the default namespace, from source addresses spread over 127.0.0.0/8, ' +
			'32 at a time. All subjects run at once and take turns in short rounds, so that what else the machine does hits them alike. CPU is ' +
			'user and system time of all processes of the server. A session that is not open after 20 s has hung. The rows for 1 to 8 workers ' +
			'show how the cost grows.',
		columns: [
			{ key: 'cpuUs', head: 'CPU per session, µs' },
			{ key: 'ratio', head: 'against plain' },
			{ key: 'sessions', head: 'sessions' },
			{ key: 'hung', head: 'hung' },
			{ key: 'refused', head: 'refused' },
		],
		targets: [
			{ subject: 'ip-hash, 2 workers', column: 'ratio', is: 'at most', value: 1.55 },
			{ subject: 'kernel, 2 workers', column: 'ratio', is: 'at most', value: 1.2 },
			{ subject: 'ip-hash, 2 workers', column: 'hung', is: 'at most', value: 0 },
			{ subject: 'kernel, 2 workers', column: 'hung', is: 'at most', value: 0 },
		],
		why:
			'The two bare subjects are plain Socket.IO in 2 workers with nothing but the placement: what Node asks for a hand-over over its channel (a ' +
			'message, the handle, an acknowledgement, two processes woken), and for a listening handle that two processes wait on. The targets came from a machine ' +
			'where the bare ones took 1.5 and 1.15 of plain. What is ours is the difference to the bare subject, not to plain.',
	},
	polling: {
		title: 'Polling through a proxy with 8 pooled connections',
		how:
			'Sessions on HTTP long-polling go through a proxy that keeps 8 connections to a server of 4 workers, whoever the client is. A session ' +
			'opens, sends 20 messages, reads the answer to each, and closes; 32 sessions run at a time. Completed: requests answered 200. ' +
			'Misrouted: answered "Session ID unknown", after which the session is given up and the next one opens.',
		columns: [
			{ key: 'perCpuSecond', head: 'completed requests per CPU second' },
			{ key: 'ratio', head: 'against sticky' },
			{ key: 'completed', head: 'completed' },
			{ key: 'misrouted', head: 'misrouted' },
			{ key: 'failed', head: 'other failures' },
		],
		targets: [
			{ subject: 'ip-hash', column: 'ratio', is: 'at least', value: 3 },
			{ subject: 'ip-hash', column: 'misrouted', is: 'at most', value: 0 },
		],
		why:
			'Three of four requests arrive at a worker that does not own the session and go on over a Unix socket: parsed, sent, answered and passed back, which is as ' +
			'much work again as to serve them. The plain process, which forwards nothing, is the most that any placement could reach.',
	},
	primary: {
		title: "The primary's share of the work",
		how:
			'200,000 messages reach clients of a pod of 2 workers without Redis: 100 clients send to rooms of two, whose members are on any worker, ' +
			'so that about half of the messages cross from one worker to the other.',
		columns: [
			{ key: 'messages', head: 'messages' },
			{ key: 'primaryMs', head: 'CPU of the primary, ms' },
			{ key: 'workersMs', head: 'CPU of the workers, ms' },
			{ key: 'percent', head: 'share, %' },
		],
		targets: [{ subject: 'pod of 2 workers', column: 'percent', is: 'at most', value: 1 }],
	},
	fanout: {
		title: 'Rooms and local fan-out',
		how:
			'Rooms of 25 whose members share a process. One member of each room sends, and sends again when its own message has come back. Against ' +
			'2 plain Socket.IO processes, one for each core, with the adapter in memory. `io.local` keeps a message in its worker; without it the ' +
			'pod offers each message to the other worker too.',
		columns: [
			{ key: 'cpuUs', head: 'CPU per delivered message, µs' },
			{ key: 'ratio', head: 'deliveries per CPU second against one process per core' },
		],
		targets: [
			{ subject: 'pod of 2 workers, io.local.to(room)', column: 'ratio', is: 'at least', value: 0.95 },
			{ subject: 'pod of 2 workers, io.to(room)', column: 'ratio', is: 'at least', value: 0.95 },
		],
		why:
			'Without `io.local` a message is serialised once, sent to the other worker and read there, whose rooms nobody but itself knows. That is a price for each ' +
			'message, not for each member: it weighs less the larger the room.',
	},
	restart: {
		title: 'Replacing the workers under load',
		how:
			'A pod of 4 workers gets SIGHUP, and replaces them one at a time, while clients open sessions as fast as they can, 16 at a time, each ' +
			'from an address of its own, and close them again. Refused: no TCP connection, a reset, or an answer ' +
			'that is no session. Closed: taken, and closed by the drain before the namespace had answered; clients come back from that by themselves. The ' +
			'spread is that of 2,000 sessions before: the share of the fullest worker, 25 % when even.',
		columns: [
			{ key: 'sessions', head: 'sessions during the restart' },
			{ key: 'refused', head: 'refused' },
			{ key: 'closed', head: 'closed' },
			{ key: 'hung', head: 'hung' },
			{ key: 'fullestPercent', head: 'fullest of 4 workers, %' },
		],
		targets: [
			{ subject: 'ip-hash', column: 'refused', is: 'at most', value: 0 },
			{ subject: 'ip-hash', column: 'hung', is: 'at most', value: 0 },
		],
	},
	memory: {
		title: 'Memory',
		how:
			'Sums over all processes of the server, from `/proc/<pid>/smaps_rollup`: when it has just started, and with idle WebSocket connections ' +
			'in the default namespace. The pod runs as it is shipped, compiled, without Redis.',
		columns: [
			{ key: 'bareAnonymousMiB', head: 'bare, anonymous MiB' },
			{ key: 'barePssMiB', head: 'bare, PSS MiB' },
			{ key: 'connections', head: 'connections' },
			{ key: 'rssKiBPerConnection', head: 'RSS per connection, KiB' },
		],
		targets: [],
	},
	scrape: {
		title: 'A scrape',
		how:
			'A pod of 16 workers holds idle WebSocket connections and is scraped 100 times, ten times a second. Time is until the whole page has ' +
			'been received.',
		columns: [
			{ key: 'connections', head: 'connections' },
			{ key: 'p50Ms', head: 'p50, ms' },
			{ key: 'p99Ms', head: 'p99, ms' },
			{ key: 'kilobytes', head: 'page, KB' },
			{ key: 'series', head: 'series' },
		],
		targets: [
			{ subject: 'pod of 16 workers', column: 'p50Ms', is: 'at most', value: 50 },
			{ subject: 'pod of 16 workers', column: 'kilobytes', is: 'at most', value: 200 },
			{ subject: 'pod of 16 workers', column: 'series', is: 'at most', value: 1500 },
		],
	},
	instrumentation: {
		title: 'What measuring costs',
		how:
			'A pod of one worker without Redis as it is shipped, and the same pod in which silent metrics have taken the place of the real ones, side by side. ' +
			'Members of rooms send, and send again when their own message has come back: both members of rooms of two, one member of rooms of 25. Four pairs of ' +
			'pods one after the other, the two of a pair in turns of short rounds; the share is the median over the rounds. Heap is read after a forced collection, before and after idle WebSocket connections ' +
			'were opened.',
		columns: [
			{ key: 'cpuUs', head: 'CPU per delivered message, µs' },
			{ key: 'bareCpuUs', head: 'without metrics, µs' },
			{ key: 'percent', head: 'more, %' },
			{ key: 'heapBytes', head: 'heap per connection, bytes' },
			{ key: 'bareHeapBytes', head: 'without metrics, bytes' },
			{ key: 'extraBytes', head: 'more, bytes' },
		],
		targets: [
			{ subject: 'rooms of 2', column: 'percent', is: 'at most', value: 3 },
			{ subject: 'rooms of 25', column: 'percent', is: 'at most', value: 3 },
			{ subject: 'idle connections', column: 'extraBytes', is: 'at most', value: 1500 },
		],
		why:
			"In quick runs about half of it was Node's observer of garbage collections (`socketfleet_gc_seconds_total`), which costs something for each of them. With the " +
			'semi-spaces of 1 MB that V8 begins with there are more of them, and a full run said 4 to 8 %. Two processes of one program differ by as much as the target.',
	},
	'absent-rooms': {
		title: 'A message for rooms that nobody in the pod has',
		how:
			'A pod of 4 workers with no clients, while another pod of the same fleet sends to rooms of its own: 20,000 messages a second, and 2,000 with the ' +
			'official adapter, which cannot read more. CPU of the 4 workers and their primary, less what they use when nothing is sent.',
		columns: [CPU_PER_MESSAGE, { key: 'ratio', head: 'against official' }, { key: 'messages', head: 'messages' }],
		targets: [{ subject: 'socketfleet', column: 'cpuUs', is: 'at most', value: 0.5 }],
	},
	egress: {
		title: 'What Redis sends for each message',
		how:
			"One worker sends messages of 100 bytes to a room; a client in the room counts them. `total_net_output_bytes` of Redis, less the benchmark's " +
			'own questions: reads of every worker, acknowledgements and heartbeats are in it.',
		columns: [
			{ key: 'bytes', head: 'bytes per message' },
			{ key: 'growth', head: 'against 1 worker' },
		],
		targets: [{ subject: 'socketfleet, 8 workers', column: 'growth', is: 'at most', value: 1.1 }],
	},
	publish: {
		title: 'Publishing',
		how:
			'One worker sends 5,000 messages a second to a room with no members. CPU of the worker (and its primary), less what it uses when nothing ' +
			'is sent; reading its own messages back from the stream is in it.',
		columns: [CPU_PER_MESSAGE, { key: 'ratio', head: 'against official' }, { key: 'perSecond', head: 'messages per second' }],
		targets: [{ subject: 'socketfleet', column: 'ratio', is: 'at most', value: 1 }],
	},
	restore: {
		title: 'A client that comes back and missed nothing',
		how:
			'A client learns its offset and drops. 10,000 messages for other rooms follow. It returns: the time is from its CONNECT packet to the answer ' +
			'(median of the tries), the bytes are what Redis sent meanwhile, for each try.',
		columns: [
			{ key: 'ms', head: 'time, ms' },
			{ key: 'bytes', head: 'bytes from Redis' },
			{ key: 'recovered', head: 'recovered' },
			{ key: 'tries', head: 'tries' },
		],
		targets: [
			{ subject: 'socketfleet', column: 'ms', is: 'at most', value: 5 },
			{ subject: 'socketfleet', column: 'bytes', is: 'at most', value: 20_000 },
		],
	},
	returning: {
		title: 'Many clients return at once',
		how:
			'Clients, in processes of their own on the same cores, drop all at once; 1,000 messages to rooms that none of them has and 1 to all of them ' +
			'follow; all return within 2 s, to 2 workers and a stream of 11,000 entries. Time is from the first packet of TCP to the answer of the namespace. ' +
			'A client that is not back after 60 s has failed. `many` is 5,000; `few` is 200.',
		columns: [
			{ key: 'clients', head: 'clients' },
			{ key: 'notRecovered', head: 'not recovered' },
			{ key: 'p50Ms', head: 'p50, ms' },
			{ key: 'p99Ms', head: 'p99, ms' },
			{ key: 'lost', head: 'missed messages not delivered' },
			{ key: 'repeated', head: 'messages repeated' },
		],
		targets: [
			{ subject: 'socketfleet, many', column: 'notRecovered', is: 'at most', value: 0 },
			{ subject: 'socketfleet, many', column: 'p99Ms', is: 'at most', value: 3000 },
		],
	},
	frozen: {
		title: 'Redis freezes',
		how:
			'Two clients of one worker; one sends to the room of the other 50 times a second while Redis is stopped with SIGSTOP for 25 s. Time from ' +
			'sending to receiving, of the messages sent while it was stopped. Lost: not there 30 s after Redis went on.',
		columns: [
			{ key: 'p50Ms', head: 'p50, ms' },
			{ key: 'p99Ms', head: 'p99, ms' },
			{ key: 'maxMs', head: 'longest, ms' },
			{ key: 'sent', head: 'sent' },
			{ key: 'lost', head: 'lost' },
			{ key: 'died', head: 'process ended' },
		],
		targets: [
			{ subject: 'socketfleet', column: 'p99Ms', is: 'at most', value: 1000 },
			{ subject: 'socketfleet', column: 'lost', is: 'at most', value: 0 },
		],
	},
	pods: {
		title: 'More pods for the same load',
		how:
			'8 rooms of 25 clients, 100 messages a second to each. All members of a room are in one pod of 2 workers; the fleet has 1, 2 or 4 pods. CPU of ' +
			'all pods, less what they use when nothing is sent, for each message that a client received.',
		columns: [
			{ key: 'cpuUs', head: 'CPU per delivered message, µs' },
			{ key: 'growth', head: 'against 1 pod' },
			{ key: 'idlePercent', head: 'idle, % of a core' },
			{ key: 'lost', head: 'lost' },
		],
		targets: [{ subject: 'socketfleet, 4 pods', column: 'growth', is: 'at most', value: 1.1 }],
	},
	emit: {
		title: 'Emitting from outside',
		how:
			'A process with no Socket.IO server writes events of about 200 bytes to a room, 100 at a time, and waits for the receipts. CPU of that process, ' +
			'against XADD of the same entries in an ioredis pipeline; all take turns in short rounds. The command reads 300,000 lines from a file; the ' +
			'start of its process is in its rate.',
		columns: [CPU_PER_MESSAGE, { key: 'ratio', head: 'against raw XADD' }, { key: 'perSecond', head: 'messages per second' }],
		targets: [
			{ subject: 'emitter.to(room).emit(), 100 at a time', column: 'ratio', is: 'at most', value: 1.5 },
			{ subject: 'emitter.batch(), 100 messages', column: 'ratio', is: 'at most', value: 1.5 },
			{ subject: 'socketfleet emit --stdin', column: 'perSecond', is: 'at least', value: 30_000 },
		],
	},
	'emit-api': {
		title: 'The emit API over HTTP',
		how:
			'32 keep-alive connections post events of 200 bytes to a pod of one worker and wait for each receipt. CPU is that of the worker and its primary. ' +
			'The client and Redis run on the same machine. Latency is at a steady 4,000 requests a second, from when a request was due.',
		columns: [
			{ key: 'perCpuSecond', head: 'messages per CPU second' },
			{ key: 'perSecond', head: 'messages per second' },
			{ key: 'p50Ms', head: 'p50, ms' },
			{ key: 'p99Ms', head: 'p99, ms' },
		],
		targets: [
			{ subject: 'one message in a request', column: 'perCpuSecond', is: 'at least', value: 8000 },
			{ subject: 'batches of 100', column: 'perCpuSecond', is: 'at least', value: 30_000 },
			{ subject: '4000 requests a second', column: 'p99Ms', is: 'at most', value: 20 },
		],
		why:
			'The client, the pod and Redis share two cores: what of the slowest hundredth is the client waiting for itself was not told apart, and a machine for the pod alone ' +
			'was not there.',
	},
} as const satisfies Record<string, ProgramSpec>;

export type ProgramName = keyof typeof PROGRAMS;
export const PROGRAM_NAMES = Object.keys(PROGRAMS) as ProgramName[];

export function specOf(name: ProgramName): ProgramSpec {
	return PROGRAMS[name];
}
