/* pgsidecar: ttl=30s */ select a=/* /* n */ ? */5, b=--
6, 'x' -- c
 from t where c = 'y' /* z */ -- end