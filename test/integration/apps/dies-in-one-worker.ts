/** An application that ends the second worker soon after each start. */
import type { Server } from 'socket.io';
import type { AppContext } from '../../../src/index.ts';
import echo from './echo.ts';

export default {
	...echo,
	setup(io: Server, context: AppContext): void {
		echo.setup(io, context);
		if (context.worker === 1) {
			setTimeout(() => process.exit(1), 100);
		}
	},
};
