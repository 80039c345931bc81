/** Who is here, by the worker that holds them. */
import { element } from './page.js';

const MAX_SHOWN = 60;

export function startPresence(socket) {
	const list = document.getElementById('people');

	socket.on('presence:list', ({ workers }) => {
		document.getElementById('people-count').textContent = workers.reduce((sum, { total }) => sum + total, 0);
		list.replaceChildren(...workers.map(showWorker));
	});

	function showWorker({ pod, worker, total, people }) {
		const shown = people.slice(0, MAX_SHOWN).map(showPerson);
		if (total > shown.length) {
			shown.push(element('li', { className: 'person', text: `and ${total - shown.length} more` }));
		}
		const count = total === 1 ? '1 participant' : `${total} participants`;
		const title = element('h3', {}, [element('b', { text: `Pod ${pod} · worker ${worker}` }), element('span', { text: count })]);
		return element('div', { className: 'worker' }, [title, element('ul', {}, shown)]);
	}

	function showPerson({ id, name, color, room }) {
		const mine = id === socket.id;
		const item = element('li', { className: mine ? 'person me' : 'person' }, [
			element('span', { className: 'dot filled', color }),
			element('span', { text: mine ? `${name} (you)` : name }),
		]);
		item.title = room ? `in the room ${room}` : 'in no room';
		return item;
	}
}
