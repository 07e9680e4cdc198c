;; check.scm: (check expression => expected); (check-error expression); end with (check-done).
(define check-failed 0)
(define check-count 0)
(define (check-report form got expected)
  (set! check-count (+ check-count 1))
  (unless (equal? got expected)
    (set! check-failed (+ check-failed 1))
    (write form) (display " gave ") (write got)
    (display ", not ") (write expected) (newline)))
(define-syntax check
  (syntax-rules (=>)
    ((_ form => expected)
     (check-report 'form
                   (guard (e (#t (list 'raised (if (error-object? e) (error-object-message e) e))))
                     form)
                   expected))))
(define-syntax check-error
  (syntax-rules ()
    ((_ form)
     (check-report '(error from form) (guard (e ((error-object? e) 'error) (#t e)) form 'none) 'error))))
(define (check-done)
  (display check-count) (display " checks, ") (display check-failed) (display " failed") (newline)
  (exit (if (= check-failed 0) 0 1)))
