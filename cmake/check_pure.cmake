execute_process(COMMAND ${NM} --undefined-only --format=posix ${LIBRARY}
  OUTPUT_VARIABLE listing RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "nm cannot read ${LIBRARY}")
endif()
string(REGEX MATCHALL "[^\n]+ U" symbols "${listing}")
list(LENGTH symbols count)
if(count EQUAL 0)
  message(FATAL_ERROR "nm listed nothing: the check would pass whatever the library does")
endif()
set(impure
  "time|clock|gettimeofday|clock_gettime|nanosleep|usleep|sleep|alarm|timer_.*|rand|srand|random|rand_r|drand48|getrandom|\
getentropy|arc4random.*|ordo_random_.*|ordo_clock_.*|ordo_log.*|open|openat|creat|close|read|write|pread|pwrite|fopen|fdopen|\
fread|fwrite|fputs|fputc|puts|printf|vprintf|fprintf|vfprintf|perror|stdout|stderr|fflush|fsync|fdatasync|unlink|rename|mkdir|\
socket|connect|accept|send|recv|sendmsg|recvmsg|poll|select|epoll_.*|ioctl|fcntl|fork|exec.*|kill|signal|sigaction|getenv|\
setenv|getpid|syscall|pthread_.*|zmq_.*|rocksdb_.*|lws_.*")
set(found "")
foreach(symbol ${symbols})
  string(REGEX REPLACE " U$" "" name "${symbol}")
  string(STRIP "${name}" name)
  if(name MATCHES "^(${impure})$")
    list(APPEND found ${name})
  endif()
endforeach()
if(found)
  list(REMOVE_DUPLICATES found)
  message(FATAL_ERROR "${LIBRARY} is not pure: it refers to ${found}")
endif()
message(STATUS "${count} references, none of them impure")
