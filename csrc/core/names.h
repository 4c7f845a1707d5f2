/* names.h -- every interned string and every import of the core, listed once.

   CORE_NAMES(X): X(field, "string").  CORE_IMPORTS(X): X(field, "module", "attribute"); an
   attribute may be dotted. SSL_IMPORTS are the same. All become fields of core_state (core/state.h). */

#ifndef PYASYNC_CORE_NAMES_H
#define PYASYNC_CORE_NAMES_H

#define CORE_NAMES(X)                                                                        \
    X(Future, "Future")                                                                      \
    X(Task, "Task")                                                                          \
    X(abort, "_abort")                                                                       \
    X(acquire, "acquire")                                                                    \
    X(add_done_callback, "add_done_callback")                                                \
    X(adjust_thread_count, "_adjust_thread_count")                                           \
    X(append, "append")                                                                      \
    X(asyncio_future_blocking, "_asyncio_future_blocking")                                   \
    X(attach, "_attach")                                                                     \
    X(broken, "_broken")                                                                     \
    X(buffer_updated, "buffer_updated")                                                      \
    X(call_at, "call_at")                                                                    \
    X(call_connection_lost, "_call_connection_lost")                                         \
    X(call_eof_received, "_call_eof_received")                                               \
    X(call_exception_handler, "call_exception_handler")                                      \
    X(call_later, "call_later")                                                              \
    X(call_soon, "call_soon")                                                                \
    X(call_soon_threadsafe, "call_soon_threadsafe")                                          \
    X(cancel, "cancel")                                                                      \
    X(cancel_message, "_cancel_message")                                                     \
    X(cancelled, "CANCELLED")                                                                \
    X(cancelled_attribute, "_cancelled")                                                     \
    X(cancelled_method, "cancelled")                                                         \
    X(cancelling, "cancelling")                                                              \
    X(check_callback, "_check_callback")                                                     \
    X(check_default_executor, "_check_default_executor")                                     \
    X(check_thread, "_check_thread")                                                         \
    X(close, "close")                                                                        \
    X(cond, "_cond")                                                                         \
    X(connection_lost, "connection_lost")                                                    \
    X(connection_made, "connection_made")                                                    \
    X(context, "context")                                                                    \
    X(copy_future_state, "_copy_future_state")                                               \
    X(cr_await, "cr_await")                                                                  \
    X(create_future, "create_future")                                                        \
    X(create_task, "create_task")                                                            \
    X(data, "data")                                                                          \
    X(data_received, "data_received")                                                        \
    X(datagram_received, "datagram_received")                                                \
    X(default_executor, "_default_executor")                                                 \
    X(detach, "_detach")                                                                     \
    X(do_flush, "_do_flush")                                                                 \
    X(do_handshake, "_do_handshake")                                                         \
    X(do_read, "_do_read")                                                                   \
    X(do_shutdown, "_do_shutdown")                                                           \
    X(done, "done")                                                                          \
    X(eager_start, "eager_start")                                                            \
    X(ensure_fd_no_transport, "_ensure_fd_no_transport")                                     \
    X(eof_received, "eof_received")                                                          \
    X(error_received, "error_received")                                                      \
    X(exception, "exception")                                                                \
    X(exception_attribute, "_exception")                                                     \
    X(exceptions, "exceptions")                                                              \
    X(feed_data, "feed_data")                                                                \
    X(feed_eof, "feed_eof")                                                                  \
    X(fileno, "fileno")                                                                      \
    X(finished, "FINISHED")                                                                  \
    X(format_handle, "_format_handle")                                                       \
    X(future, "future")                                                                      \
    X(get_buffer, "get_buffer")                                                              \
    X(get_debug, "get_debug")                                                                \
    X(get_extra_info, "get_extra_info")                                                      \
    X(get_loop, "get_loop")                                                                  \
    X(getaddrinfo, "getaddrinfo")                                                            \
    X(getnameinfo, "getnameinfo")                                                            \
    X(global_shutdown_lock, "_global_shutdown_lock")                                         \
    X(handle, "handle")                                                                      \
    X(handle_timeout, "_handle_timeout")                                                     \
    X(idle_semaphore, "_idle_semaphore")                                                     \
    X(is_base_error, "_is_base_error")                                                       \
    X(is_closed, "is_closed")                                                                \
    X(is_closing, "is_closing")                                                              \
    X(is_running, "is_running")                                                              \
    X(lock_attribute, "_lock")                                                               \
    X(locked, "locked")                                                                      \
    X(log_destroy_pending, "_log_destroy_pending")                                           \
    X(logger, "logger")                                                                      \
    X(loop, "loop")                                                                          \
    X(loop_attribute, "_loop")                                                               \
    X(make_cancelled_error, "_make_cancelled_error")                                         \
    X(message, "message")                                                                    \
    X(monotonic, "monotonic")                                                                \
    X(msg, "msg")                                                                            \
    X(name, "name")                                                                          \
    X(on_handshake_complete, "_on_handshake_complete")                                       \
    X(on_task_done, "_on_task_done")                                                         \
    X(on_timeout, "_on_timeout")                                                             \
    X(os, "os")                                                                              \
    X(pause_reading, "pause_reading")                                                        \
    X(pause_writing, "pause_writing")                                                        \
    X(peername, "peername")                                                                  \
    X(pending, "PENDING")                                                                    \
    X(pipe, "pipe")                                                                          \
    X(popleft, "popleft")                                                                    \
    X(protocol, "protocol")                                                                  \
    X(put, "put")                                                                            \
    X(read_ready, "_read_ready")                                                             \
    X(recvfrom, "recvfrom")                                                                  \
    X(release, "release")                                                                    \
    X(remove, "remove")                                                                      \
    X(remove_done_callback, "remove_done_callback")                                          \
    X(reschedule, "reschedule")                                                              \
    X(resolve_work_item_task, "_resolve_work_item_task")                                     \
    X(result, "result")                                                                      \
    X(result_attribute, "_result")                                                           \
    X(resume_reading, "resume_reading")                                                      \
    X(resume_writing, "resume_writing")                                                      \
    X(run, "_run")                                                                           \
    X(run_in_executor, "run_in_executor")                                                    \
    X(send, "send")                                                                          \
    X(sendfile, "sendfile")                                                                  \
    X(sendto, "sendto")                                                                      \
    X(set_concurrent_future_state, "_set_concurrent_future_state")                           \
    X(set_exception, "set_exception")                                                        \
    X(set_name, "set_name")                                                                  \
    X(set_result, "set_result")                                                              \
    X(set_running_or_notify_cancel, "set_running_or_notify_cancel")                          \
    X(set_transport, "set_transport")                                                        \
    X(shutdown, "_shutdown")                                                                 \
    X(shutdown_lock, "_shutdown_lock")                                                       \
    X(slow_callback_duration, "slow_callback_duration")                                      \
    X(socket, "socket")                                                                      \
    X(sockname, "sockname")                                                                  \
    X(source_traceback, "source_traceback")                                                  \
    X(sslcontext, "sslcontext")                                                              \
    X(sslobj, "_sslobj")                                                                     \
    X(start_reading, "_start_reading")                                                       \
    X(start_shutdown, "_start_shutdown")                                                     \
    X(state_attribute, "_state")                                                             \
    X(submit, "submit")                                                                      \
    X(task, "task")                                                                          \
    X(throw_, "throw")                                                                       \
    X(time, "time")                                                                          \
    X(timer_handle_cancelled, "_timer_handle_cancelled")                                     \
    X(transport, "transport")                                                                \
    X(transports, "_transports")                                                             \
    X(uncancel, "uncancel")                                                                  \
    X(value, "_value")                                                                       \
    X(wake_maker, "_wake_maker")                                                             \
    X(work_queue, "_work_queue")                                                             \
    X(wrap_future, "wrap_future")                                                            \
    X(write, "write")                                                                        \
    X(write_ready, "_write_ready")                                                           \
    X(writelines, "writelines")

#define CORE_IMPORTS(X)                                                                      \
    X(CancelledError, "asyncio.exceptions", "CancelledError")                                \
    X(ExceptionGroup, "builtins", "ExceptionGroup")                                          \
    X(InvalidStateError, "asyncio.exceptions", "InvalidStateError")                          \
    X(IncompleteReadError, "asyncio.exceptions", "IncompleteReadError")                      \
    X(LimitOverrunError, "asyncio.exceptions", "LimitOverrunError")                          \
    X(stock_Future, "asyncio", "Future")                                                     \
    X(stock_Task, "asyncio", "Task")                                                         \
    X(stock_Handle, "asyncio.events", "Handle")                                              \
    X(stock_TimerHandle, "asyncio.events", "TimerHandle")                                    \
    X(stock_Timeout, "asyncio.timeouts", "Timeout")                                          \
    X(BaseEventLoop, "asyncio.base_events", "BaseEventLoop")                                 \
    X(stock_create_task, "asyncio.base_events", "BaseEventLoop.create_task")                 \
    X(stock_call_later, "asyncio.base_events", "BaseEventLoop.call_later")                   \
    X(stock_BaseEventLoop, "asyncio.base_events", "BaseEventLoop")                           \
    X(stock_run_in_executor, "asyncio.base_events", "BaseEventLoop.run_in_executor")         \
    X(stock_chain_future, "asyncio.futures", "_chain_future")                                \
    X(stock_wrap_future, "asyncio.futures", "wrap_future")                                   \
    X(concurrent_Future, "concurrent.futures", "Future")                                     \
    X(concurrent_InvalidStateError, "concurrent.futures", "InvalidStateError")               \
    X(concurrent_LOGGER, "concurrent.futures._base", "LOGGER")                               \
    X(partial, "functools", "partial")                                                       \
    X(base_events_namespace, "asyncio.base_events", "__dict__")                              \
    X(time_module, "time", NULL)                                                             \
    X(time_namespace, "time", "__dict__")                                                    \
    X(monotonic, "time", "monotonic")                                                        \
    X(events_namespace, "asyncio.events", "__dict__")                                        \
    X(futures_namespace, "asyncio.futures", "__dict__")                                      \
    X(tasks_namespace, "asyncio.tasks", "__dict__")                                          \
    X(stock_wait_for, "asyncio.tasks", "wait_for")                                           \
    X(stock_TaskGroup, "asyncio.taskgroups", "TaskGroup")                                    \
    X(timeout_states, "asyncio.timeouts", "_State")                                          \
    X(unregister_task, "_asyncio", "_unregister_task")                                       \
    X(warn_unawaited, "warnings", "_warn_unawaited_coroutine")                               \
    X(logger, "asyncio.log", "logger")                                                       \
    X(future_repr, "asyncio.base_futures", "_future_repr")                                   \
    X(task_repr, "asyncio.base_tasks", "_task_repr")                                         \
    X(task_get_stack, "asyncio.base_tasks", "_task_get_stack")                               \
    X(task_print_stack, "asyncio.base_tasks", "_task_print_stack")                           \
    X(iscoroutine, "asyncio.coroutines", "iscoroutine")                                      \
    X(current_task, "asyncio.tasks", "current_task")                                         \
    X(isfuture, "asyncio.futures", "isfuture")                                               \
    X(isawaitable, "inspect", "isawaitable")                                                 \
    X(get_event_loop, "asyncio.events", "get_event_loop")                                    \
    X(get_running_loop, "asyncio.events", "get_running_loop")                                \
    X(format_callback_source, "asyncio.format_helpers", "_format_callback_source")           \
    X(extract_handle_stack, "asyncio.format_helpers", "extract_stack")                       \
    X(BufferedProtocol, "asyncio.protocols", "BufferedProtocol")                             \
    X(SendfileMode, "asyncio.constants", "_SendfileMode")                                    \
    X(SendfileNotAvailableError, "asyncio.exceptions", "SendfileNotAvailableError")          \
    X(sendfile_update_position, "asyncio.unix_events",                                       \
      "_UnixSelectorEventLoop._sock_sendfile_update_filepos")                                \
    X(unix_events_namespace, "asyncio.unix_events", "__dict__")                              \
    X(os_sendfile, "os", "sendfile")                                                         \
    X(io_UnsupportedOperation, "io", "UnsupportedOperation")                                 \
    X(TransportSocket, "asyncio.trsock", "TransportSocket")                                  \
    X(stock_FlowControlMixin, "asyncio.transports", "_FlowControlMixin")                     \
    X(stock_transport_del, "asyncio.selector_events", "_SelectorTransport.__del__")          \
    X(stock_read_pipe_del, "asyncio.unix_events", "_UnixReadPipeTransport.__del__")          \
    X(stock_write_pipe_del, "asyncio.unix_events", "_UnixWritePipeTransport.__del__")        \
    X(stock_ReadTransport, "asyncio.transports", "ReadTransport")                            \
    X(stock_DatagramTransport, "asyncio.transports", "DatagramTransport")                    \
    X(stock_SSLProtocol, "asyncio.sslproto", "SSLProtocol")                                  \
    X(ssl_DO_HANDSHAKE, "asyncio.sslproto", "SSLProtocolState.DO_HANDSHAKE")                 \
    X(ssl_FLUSHING, "asyncio.sslproto", "SSLProtocolState.FLUSHING")                         \
    X(ssl_SHUTDOWN, "asyncio.sslproto", "SSLProtocolState.SHUTDOWN")                         \
    X(ssl_WRAPPED, "asyncio.sslproto", "SSLProtocolState.WRAPPED")                           \
    X(stock_selector_datagram_type, "asyncio.selector_events", "_SelectorDatagramTransport") \
    X(stock_StreamReader, "asyncio.streams", "StreamReader")                                 \
    X(stock_StreamWriter, "asyncio.streams", "StreamWriter")                                 \
    X(stream_limit, "asyncio.streams", "_DEFAULT_LIMIT")                                     \
    X(server_attach, "asyncio.base_events", "Server._attach")                                \
    X(release_waiter, "asyncio.tasks", "_release_waiter")                                    \
    X(reprlib_repr, "reprlib", "repr")                                                       \
    X(FIRST_COMPLETED, "asyncio.tasks", "FIRST_COMPLETED")                                   \
    X(FIRST_EXCEPTION, "asyncio.tasks", "FIRST_EXCEPTION")                                   \
    X(ALL_COMPLETED, "asyncio.tasks", "ALL_COMPLETED")                                       \
    X(set_result_unless_cancelled, "asyncio.futures", "_set_result_unless_cancelled")        \
    X(running_loop_or_none, "asyncio.events", "_get_running_loop")                           \
    X(stock_Lock, "asyncio.locks", "Lock")                                                   \
    X(stock_Event, "asyncio.locks", "Event")                                                 \
    X(stock_Condition, "asyncio.locks", "Condition")                                         \
    X(stock_Semaphore, "asyncio.locks", "Semaphore")                                         \
    X(stock_BoundedSemaphore, "asyncio.locks", "BoundedSemaphore")                           \
    X(stock_Barrier, "asyncio.locks", "Barrier")                                             \
    X(barrier_FILLING, "asyncio.locks", "_BarrierState.FILLING")                             \
    X(barrier_DRAINING, "asyncio.locks", "_BarrierState.DRAINING")                           \
    X(barrier_RESETTING, "asyncio.locks", "_BarrierState.RESETTING")                         \
    X(barrier_BROKEN, "asyncio.locks", "_BarrierState.BROKEN")                               \
    X(BrokenBarrierError, "asyncio.exceptions", "BrokenBarrierError")                        \
    X(stock_Queue, "asyncio.queues", "Queue")                                                \
    X(stock_LifoQueue, "asyncio.queues", "LifoQueue")                                        \
    X(stock_PriorityQueue, "asyncio.queues", "PriorityQueue")                                \
    X(QueueEmpty, "asyncio.queues", "QueueEmpty")                                            \
    X(QueueFull, "asyncio.queues", "QueueFull")                                              \
    X(socket_AF_INET, "socket", "AF_INET")                                                   \
    X(socket_AF_INET6, "socket", "AF_INET6")                                                 \
    X(socket_SOCK_DGRAM, "socket", "SOCK_DGRAM")                                             \
    X(socket_SOCK_RAW, "socket", "SOCK_RAW")                                                 \
    X(socket_SOCK_STREAM, "socket", "SOCK_STREAM")                                           \
    X(socket_getaddrinfo, "socket", "getaddrinfo")                                           \
    X(socket_getnameinfo, "socket", "getnameinfo")                                           \
    X(socket_namespace, "socket", "__dict__")                                                \
    X(deque, "collections", "deque")                                                         \
    X(deque_append, "collections", "deque.append")                                           \
    X(deque_popleft, "collections", "deque.popleft")                                         \
    X(deque_remove, "collections", "deque.remove")                                           \
    X(heappop, "heapq", "heappop")                                                           \
    X(heappush, "heapq", "heappush")                                                         \
    X(socket_base, "_socket", "socket")                                                      \
    X(socket_class, "socket", "socket")                                                      \
    X(socket_fileno, "_socket", "socket.fileno")                                             \
    X(socket_gettimeout, "_socket", "socket.gettimeout")                                     \
    X(socket_family, "_socket", "socket.family")                                             \
    X(socket_proto, "_socket", "socket.proto")                                               \
    X(socket_type, "_socket", "socket.type")                                                 \
    X(extract_stack, "traceback", "extract_stack")

/* All of them NULL where the interpreter was built without ssl. */
#define SSL_IMPORTS(X)                                                                       \
    X(ssl_MemoryBIO, "ssl", "MemoryBIO")                                                     \
    X(ssl_SSLError, "ssl", "SSLError")                                                       \
    X(ssl_SSLObject, "ssl", "SSLObject")                                                     \
    X(ssl_SSLSyscallError, "ssl", "SSLSyscallError")                                         \
    X(ssl_SSLWantReadError, "ssl", "SSLWantReadError")                                       \
    X(ssl_SSLSocket, "_ssl", "_SSLSocket")                                                   \
    X(ssl_bio_pending, "_ssl", "MemoryBIO.pending")                                          \
    X(ssl_bio_read, "_ssl", "MemoryBIO.read")                                                \
    X(ssl_bio_write, "_ssl", "MemoryBIO.write")                                              \
    X(ssl_do_handshake, "_ssl", "_SSLSocket.do_handshake")                                   \
    X(ssl_read, "_ssl", "_SSLSocket.read")                                                   \
    X(ssl_write, "_ssl", "_SSLSocket.write")

#endif
