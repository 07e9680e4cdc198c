;;; app.scm: a small web app whose routes treat memory differently, for `make demo`.

(import (scheme base) (memcam http))

(define started 0)

;; Quick: a few bytes of JSON.
(route 'GET "/hello"
  (lambda (req)
    (set! started (+ started 1))
    (respond-json 200 `((hello . "world") (served . ,started)))))

(route 'GET "/item/:id"
  (lambda (req)
    (respond-json 200 `((id . ,(request-param req "id"))
                        (q . ,(request-query req "q"))))))

(route 'POST "/echo"
  (lambda (req) (respond 200 (request-body req) '((content-type . "text/plain")))))

;; Slow: holds its request's arena for as long as ?ms= says (250 when it does not) and computes
;; nothing meanwhile.
(route 'GET "/slow"
  (lambda (req)
    (let ((ms (string->number (or (request-query req "ms") "250"))))
      (if (and (exact-integer? ms) (<= 0 ms 60000))
          (respond-after ms (respond 200 "slow\n"))
          (respond-json 400 '((error . "ms is a number from 0 to 60000")))))))

;; Garbage: some thousand cells a request, dead at its end.
(define (squares n)
  (let loop ((i 0) (made '()))
    (if (= i n)
        made
        (loop (+ i 1) (cons (vector i (* i i)) made)))))

(route 'GET "/alloc"
  (lambda (req)
    (respond-json 200 `((cells . ,(* 2 (length (squares 2000))))))))

;; A leak: each request leaves some cells in a list that nobody empties, until DELETE does. At most
;; 60,000 cells, so that the rest of the app goes on.
(define leaked '())
(define leaked-count 0)

(route 'GET "/leak"
  (lambda (req)
    (when (< leaked-count 600)
      (set! leaked (cons (squares 33) leaked))
      (set! leaked-count (+ leaked-count 1)))
    (respond-json 200 `((leaks . ,leaked-count)))))

(route 'DELETE "/leak"
  (lambda (req)
    (set! leaked '())
    (set! leaked-count 0)
    (respond 204)))

;; A large body, made once.
(define big (make-string 200000 #\m))

(route 'GET "/big" (lambda (req) (respond 200 big)))

;; A stream: a line every 100 ms, ten of them.
(route 'GET "/stream"
  (lambda (req)
    (respond-stream 200 100
      (lambda (i)
        (and (< i 10)
             (string-append "data: " (number->string i) "\n\n")))
      '((content-type . "text/event-stream")))))

;; An error that nobody catches: a 500, and a line in the log.
(route 'GET "/error" (lambda (req) (car (request-path req))))
