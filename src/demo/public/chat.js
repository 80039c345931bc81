/** Chat in rooms. After a recovered reconnect nothing is asked for: what was missed arrives by itself. */
import { ask, element } from './page.js';

const MAX_SHOWN = 200;

export function startChat(socket) {
	const rooms = document.getElementById('rooms');
	const messages = document.getElementById('messages');
	const text = document.getElementById('chat-text');
	let room = 'lobby';

	async function join() {
		const { rooms: names, history } = await ask(socket, 'chat:join', { room });
		if (!names) {
			return;
		}
		showRooms(names);
		// What was broadcast while the answer was on its way is in both.
		const known = new Set(history.map(({ id }) => id));
		const late = [...messages.children].filter((item) => item.dataset.room === room && !known.has(item.dataset.id));
		messages.replaceChildren(...history.map(showMessage), ...late);
		messages.scrollTop = messages.scrollHeight;
	}

	async function send(said) {
		const { error } = await ask(socket, 'chat:send', { room, text: said });
		if (error) {
			append(element('li', { className: 'notice', text: `not sent: ${error}` }));
		}
	}

	function showRooms(names) {
		if (rooms.querySelector('input')) {
			return;
		}
		for (const name of names) {
			const input = Object.assign(element('input'), { type: 'radio', name: 'room', value: name, checked: name === room });
			rooms.append(element('label', {}, [input, element('span', { text: name })]));
		}
	}

	function showMessage({ id, room: where, from, text: said, at }) {
		const time = element('time', { text: new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }) });
		const item = element('li', { className: from.id === socket.id ? 'message mine' : 'message' }, [
			element('strong', { className: 'tinted', text: from.name, color: from.color }, [time]),
			element('span', { text: said }),
		]);
		item.dataset.id = id;
		item.dataset.room = where;
		return item;
	}

	function append(item) {
		const atEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 60;
		messages.append(item);
		if (messages.children.length > MAX_SHOWN) {
			messages.firstElementChild.remove();
		}
		if (atEnd) {
			messages.scrollTop = messages.scrollHeight;
		}
	}

	socket.on('connect', () => !socket.recovered && void join());
	socket.on('chat:message', (message) => message.room === room && append(showMessage(message)));
	socket.on('chat:joined', ({ room: where, who }) => {
		if (where === room && who.id !== socket.id) {
			append(element('li', { className: 'notice', text: `${who.name} came in` }));
		}
	});
	socket.on('presence:list', ({ workers }) => {
		const here = workers.flatMap(({ people }) => people).filter((person) => person.room === room);
		const names = here.slice(0, 6).map(({ name }) => name);
		const more = here.length > names.length ? ` and ${here.length - names.length} more` : '';
		document.getElementById('members').textContent = here.length ? `In this room: ${names.join(', ')}${more}` : '';
	});

	rooms.addEventListener('change', (event) => {
		room = event.target.value;
		messages.replaceChildren();
		if (socket.connected) {
			void join();
		}
	});
	document.getElementById('chat-form').addEventListener('submit', (event) => {
		event.preventDefault();
		const said = text.value.trim();
		if (said && socket.connected) {
			text.value = '';
			void send(said);
		}
	});
}
